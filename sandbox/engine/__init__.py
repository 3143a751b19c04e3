"""The engine's side of the sandbox: the real Pulumi CLI, pointed at the sandbox's API server and at nothing else.

For callers (`sandbox/cli.py`), all of it is one call, made *before* the private namespaces are entered, because it may
make one short attempt to download the official plugin and language host; it needs neither a running control plane nor
an existing kubeconfig file::

    engine = prepare(home, checkout, "amd", tools={"pulumi": Path(...), ...}, cache=Path("~/.cache/..."))
    for note in engine.notes:      # what a person has to know: stand-ins in use, dropped `config set` values
        print(note)
    subprocess.run(["pulumi", "up", "--stack", "amd"], env=engine.env, cwd=engine.cwd)

`engine.env` is the complete environment (not additions to it) of every `pulumi` command and of the shell;
`engine.cwd` is the view, where Pulumi's commands work as typed. A missing stack file and the like are `SandboxError`.

What `prepare` keeps in the home: `bin/` (the tools by their plain names), `view/` (the project as Pulumi sees it),
`state/` (the file backend and PULUMI_HOME; among its plugins are the stand-ins, when they are needed).
"""

from sandbox.engine.environment import Engine, prepare

__all__ = ["Engine", "prepare"]
