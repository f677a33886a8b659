"""Hosts that containers can run on: one package or module for each."""
