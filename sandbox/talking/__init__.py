"""Talking to a deployed stack: a request and the path that it takes, what happens meanwhile, and logs."""

from sandbox.talking.chat import GREETING, chat
from sandbox.talking.following import follow
from sandbox.talking.logs import logs

__all__ = ["GREETING", "chat", "follow", "logs"]
