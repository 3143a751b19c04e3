"""The whole program against the recorder: the requests to Pulumi's engine for settings. No cluster is here."""
