"""The checks, one file each: `check` yields findings; `asks`, where there is one, names what must be known for it."""
