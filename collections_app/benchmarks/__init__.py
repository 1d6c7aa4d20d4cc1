"""Benchmarks of the web server and the console. Those of the pipeline and the index are in recognition.evaluation."""
