"""Commands for a deployed stack: a request and its path, live views, and logs. They change no object."""

from sandbox.talking.chat import GREETING, await_serving, chat
from sandbox.talking.following import follow
from sandbox.talking.logs import logs
from sandbox.talking.target import NotServed
from sandbox.talking.transfers import differences

__all__ = ["GREETING", "NotServed", "await_serving", "chat", "differences", "follow", "logs"]
