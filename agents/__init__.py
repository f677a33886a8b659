"""Agents that turn words into typed proposals. They decide nothing: the planner does, and a person approves."""
