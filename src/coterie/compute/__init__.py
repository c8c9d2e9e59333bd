"""Where heavy stages run: in a child process that can be stopped."""
