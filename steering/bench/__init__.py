"""What steering costs: a whole engine beside stock vLLM, the edit alone, and its kernels."""
