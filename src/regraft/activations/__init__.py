"""Outputs of the frozen trunk: computed once per example, kept on disk under a key that says what they depend on."""
