"""The SDK: a pipeline reports its runs, steps and logs, and never waits for the broker.

async with Producer.connect() as producer, producer.run("import", plan=["read", "write"]) as run:
    async with run.step("read") as step:
        step.progress(3, 10, unit="files")
"""

from broker.model.events import PlanStep
from broker.producer.client import Producer
from broker.producer.past import Command
from broker.producer.run import Run
from broker.producer.step import Step
from broker.producer.worker import Worker

__all__ = ["Command", "PlanStep", "Producer", "Run", "Step", "Worker"]
