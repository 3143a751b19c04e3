"""Commands for a deployed stack: a request and its route, live views, and logs. They change no object."""
