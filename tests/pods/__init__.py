"""Scripts that run in the containers of workers, with a real shell."""
