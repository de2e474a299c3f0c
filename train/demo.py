"""Shows the whole job on a small run, from training to a report.

    python train/demo.py --workdir=runs/demo

Without --data_dir the channels are simulated (COST 2100 indoor).
"""

from tfcsi.commands import demo, program

if __name__ == "__main__":
    program.Program(__doc__, demo.add_arguments, demo.run).start()
