"""Bad stack files, one for each refusal, and the report that each must give; settings beside them that are right."""
