"""Layer 5: turns the arguments of a plan into parts of pods, in the API's spelling. No decision, no resource."""
