"""Checks the whole codec with each exported encoder against Keras.

    python tflite/check.py --workdir=runs/a --data_dir=DIR --max_loss_db=0.3 --html

Writes tflite_check.json to the workdir, and with --html tflite_check.html. The exit
status is 1 if an encoder costs more than --max_loss_db.
"""

from tfcsi.commands import check, program

if __name__ == "__main__":
    program.Program(__doc__, check.add_arguments, check.run).start()
