"""Fine-tunes a finished run with fake quantisation for an integer encoder.

    python train/finetune_qat.py --workdir=runs/a --data_dir=DIR --output=runs/a_qat \
        --config.epochs=2 --config.qat.weight_bits=4

A fine-tuning that was stopped continues with --resume.
"""

from tfcsi.commands import finetune, program

if __name__ == "__main__":
    program.Program(__doc__, finetune.add_arguments, finetune.run).start()
