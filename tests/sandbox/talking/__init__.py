"""The commands for a deployed stack: chat, status and logs."""
