"""Transition kernels: one file for each, which `registry.KERNELS` lists."""
