"""Who may use the server, and how much of it: the layer outside of everything else of ours."""
