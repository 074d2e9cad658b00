"""The command line: the only floor that prints, reads clocks and the environment, and chooses devices and paths.

fsprep.py         the program fsprep; its commands are the files of prep/
fszoo.py          the program fszoo; its commands are the files of zoo/
group.py          a program whose commands are the files of a folder
options.py        options that several commands share, results and errors
bars.py           progress of long work: bars in a terminal, lines in a log
workspace.py      where raw files, stores and runs are on this machine
device.py         names of devices
threads.py        threads of one process: how many, and how they wait
workers.py        worker processes, here or on a cluster
process_pool.py   a pool that survives the death of a worker
"""
