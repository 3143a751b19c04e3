"""The kubeconfig of the tests of the program."""

from tests.program.conftest import kubeconfig

__all__ = ["kubeconfig"]
