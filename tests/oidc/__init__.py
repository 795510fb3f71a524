"""Sign-in at a certified OpenID Connect provider (the oidc-provider of npm). `.ci/run` installs it and runs this folder."""
