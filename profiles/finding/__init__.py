"""Which neurons are specific to a language: responses, scores, selection."""
