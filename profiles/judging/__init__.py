"""How well profiles steer: language, repetition, fluency."""
