"""How specific to languages each layer's FFN is (Bhattacharya & Bojar 2023)."""
