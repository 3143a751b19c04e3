"""Deletes a folder in which containers have left files of their own users: only root of these users may."""

import shutil
import sys

from sandbox.cluster import namespaces


def main() -> None:
    """Delete the folder that the first argument names."""
    namespaces.unshare_users()
    shutil.rmtree(sys.argv[1])
