"""The demo's script: how full the disks are, as a table and as a result. It runs by hand just as well."""

import shutil
import sys

from headless import job

rows = {}
for number, path in enumerate(sys.argv[1:], 1):
    usage = shutil.disk_usage(path)
    rows[path] = round(100 * usage.used / usage.total)
    print(f"{path:10} {rows[path]:3} % of {usage.total >> 30} GiB used")
    job.progress(number, len(sys.argv) - 1)
job.result(rows)
