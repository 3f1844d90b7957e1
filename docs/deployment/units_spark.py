"""Units of a plan over Spark, for whose machines are Spark's: each task is one unit, in a process of Node.

    pnpm predict RUN s3://bucket/posts/ --out s3://bucket/judged/ --on plan
    spark-submit docs/deployment/units_spark.py s3://bucket/judged/_job/plans/HASH.json apps/predict/dist/unit.js COUNT
    pnpm predict RUN s3://bucket/posts/ --out s3://bucket/judged/ --on local

The second line is what the first prints, and the third takes in what is there and does what was given up. Spark gives a
unit that dies to another executor, up to spark.task.maxFailures times; what is there already ends at once, so that a unit
done twice is one result. Node and the program lie at the same place on all machines, and their environment has the
credentials of the storage.
"""

import json
import os
import subprocess
import sys

from pyspark.sql import SparkSession

DONE, NEVER_AGAIN = 0, 65


def perform(index, plan, program):
    """Does one unit. Yields the index and the reason where it is wrong; raises where Spark should try it again."""
    # the unit ends when its standard input does, so that none outlives a killed Python worker
    environment = {**os.environ, "DRF_UNIT_PARENT": "stdin"}
    unit = subprocess.Popen(
        ["node", program, plan, str(index)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    said = unit.stderr.read().strip().splitlines()[-1:]
    code = unit.wait()
    unit.stdin.close()
    if code == NEVER_AGAIN:
        yield index, " ".join(said)
    elif code != DONE:
        raise RuntimeError(f"unit {index} ended with {code}: {' '.join(said)}")


def main(plan, program, count):
    spark = SparkSession.builder.appName("drf units").getOrCreate()
    units = spark.sparkContext.parallelize(range(count), count)
    failures = units.flatMap(lambda index: perform(index, plan, program)).collect()
    print(json.dumps({"units": count, "failed": failures}))
    spark.stop()
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: spark-submit units_spark.py PLAN UNIT_JS COUNT")
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
