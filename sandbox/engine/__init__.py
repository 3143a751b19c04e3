"""The engine's side of the sandbox: the real Pulumi CLI, pointed at the sandbox's API server and at nothing else.

For callers (`sandbox/cli.py`), all of it is one call, made *before* the private namespaces are entered, because it may
make one short attempt to download the official plugin; it needs neither a running control plane nor an existing
kubeconfig file::

    engine = prepare(home=..., checkout=..., stack="amd", tools={"pulumi": Path(...), ...}, kubeconfig=Path(...))
    for note in engine.notes:      # what a person has to know: stand-ins in use, dropped `config set` values
        print(note)
    subprocess.run(["pulumi", "up", "--stack", "amd"], env=engine.env, cwd=engine.cwd)

`engine.env` is the complete environment (not additions to it) of every `pulumi` command and of the shell;
`engine.cwd` is the view, where Pulumi's commands work as typed. `EngineError` carries a message for the screen.

What `prepare` keeps under `home`: `bin/` (the tools by their plain names, and the stand-ins when they are needed),
`view/` (the project as Pulumi sees it), `state/` (the file backend), `pulumi/` (PULUMI_HOME).
"""
