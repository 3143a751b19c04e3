"""The checks, one file each: `asks` names what a check wants to know, `check` yields its findings."""
