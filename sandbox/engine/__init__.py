"""The real Pulumi CLI, connected only to the sandbox's API server.

Callers make one call. It needs neither a running control plane nor an existing kubeconfig file::

    engine = prepare(home, checkout, "amd", tools={"pulumi": Path(...), ...})
    for note in engine.notes:      # notes for the user: stand-ins in use, dropped `config set` values
        print(note)
    subprocess.run(["pulumi", "up", "--stack", "amd"], env=engine.env, cwd=engine.cwd)

`engine.env` is the complete environment of every `pulumi` command and of the shell; `engine.cwd` is the view, the
folder of these commands. Errors, such as a missing stack file, are `SandboxError`.

`prepare` keeps in the home: `bin/` (the tools by their plain names), `view/` (the project as Pulumi sees it), `state/`
(the file backend and PULUMI_HOME; its plugins include the stand-ins, if they are needed).
"""

from sandbox.engine.environment import Engine, prepare

__all__ = ["Engine", "prepare"]
