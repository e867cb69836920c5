"""Weights that travel: into other runtimes, onto a hub, to people without this package.

`command` parses, `run` loads, writes, checks and publishes, `formats` says what each format is;
`stablehlo`, `onnx_model`, `hub_folder` and `web_page` write; `card` describes what was written.
"""
