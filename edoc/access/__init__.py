"""Who may call: bearer tokens of agencies, with scopes. Only digests of tokens are kept."""
