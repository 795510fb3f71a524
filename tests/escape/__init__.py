"""Whatever a file, a link, a race or an archive tries, no agent and no tool reads or changes what was not approved."""
