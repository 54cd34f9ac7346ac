"""What a run must survive, done to it: killed, disk full, files damaged, started twice.

As a rule the tests are as many as every push can bear; with

    JAXVISION_FAULTS=release python -m pytest tests/faults -n auto

they are those of a release: 25 times the kills, 50 times the bit flips, every error at every
operation. It is an environment variable because it also reaches the processes that tests start.
"""
