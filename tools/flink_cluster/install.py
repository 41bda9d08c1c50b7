"""Flink and the job server, from the package registries into a cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from imagenet_beam.runners.flink.job_server import cache_dir, java
from imagenet_beam.transforms.errors import InputError

FLINK_VERSION = "1.19.3"
FLINK_MINOR = "1.19"
JOB_SERVER_VERSION = "2.62.0"
"""The version that the tests run; docs/flink.md says why it is not that of the Python SDK."""

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.imagenet-beam</groupId>
  <artifactId>flink-job-server</artifactId>
  <version>1</version>
  <properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
  <dependencies>
    <dependency>
      <groupId>org.apache.beam</groupId>
      <artifactId>beam-runners-flink-{flink_minor}</artifactId>
      <version>{job_server}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.30</version>
    </dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId>
    <artifactId>maven-shade-plugin</artifactId>
    <version>3.5.1</version>
    <executions><execution>
      <phase>package</phase><goals><goal>shade</goal></goals>
      <configuration>
        <createDependencyReducedPom>false</createDependencyReducedPom>
        <outputFile>{jar}</outputFile>
        <filters><filter><artifact>*:*</artifact><excludes>
          <exclude>META-INF/*.SF</exclude>
          <exclude>META-INF/*.DSA</exclude>
          <exclude>META-INF/*.RSA</exclude>
          <exclude>module-info.class</exclude>
          <exclude>META-INF/versions/*/module-info.class</exclude>
        </excludes></filter></filters>
        <transformers>
          <transformer implementation="{resource}.ServicesResourceTransformer"/>
          <transformer implementation="{resource}.AppendingTransformer">
            <resource>reference.conf</resource>
          </transformer>
          <transformer implementation="{resource}.ManifestResourceTransformer">
            <mainClass>org.apache.beam.runners.flink.FlinkJobServerDriver</mainClass>
            <manifestEntries><Multi-Release>true</Multi-Release></manifestEntries>
          </transformer>
        </transformers>
      </configuration>
    </execution></executions>
  </plugin></plugins></build>
</project>
"""


def flink_libraries() -> Path:
    """The folder of Flink's own jars, there or not."""
    return cache_dir() / f"libs-{FLINK_VERSION}" / "pyflink"


def job_server_jar(flink_minor: str = FLINK_MINOR) -> Path:
    """The job server for a version of Flink, there or not."""
    name = f"beam-runners-flink-{flink_minor}-job-server-{JOB_SERVER_VERSION}.jar"
    return cache_dir() / name


def missing() -> list[str]:
    """What is not there yet, in words; nothing is downloaded to find out."""
    found = {
        "Java": shutil.which(java()),
        "Flink's libraries": (flink_libraries() / "lib").is_dir(),
        "the job server jar": job_server_jar().is_file(),
    }
    return [what for what, there in found.items() if not there]


def install() -> None:
    """Downloads and builds what is missing; quick when everything is there.

    Raises:
        InputError: If Java or Maven is missing, or a download fails.
    """
    if not shutil.which(java()):
        raise InputError("java is not installed; Flink needs a Java runtime, version 11 or 17")
    cache_dir().mkdir(parents=True, exist_ok=True)
    if not (flink_libraries() / "lib").is_dir():
        _install_flink()
    if not job_server_jar().is_file():
        _build_job_server()


def _install_flink() -> None:
    """The package has Flink's jars and no start scripts; it is 230 MB."""
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        target = Path(folder) / "libs"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        _run([*pip, str(target), f"apache-flink-libraries=={FLINK_VERSION}"], "Flink")
        target.rename(flink_libraries().parent)


def _build_job_server() -> None:
    if not shutil.which("mvn"):
        raise InputError(
            "mvn is not installed; Maven puts the Flink job server together, or fetch "
            f"{job_server_jar().name} yourself and put it into {cache_dir()}"
        )
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        jar = Path(folder) / job_server_jar().name
        pom = _POM.format(
            flink_minor=FLINK_MINOR,
            job_server=JOB_SERVER_VERSION,
            jar=jar,
            resource="org.apache.maven.plugins.shade.resource",
        )
        (Path(folder) / "pom.xml").write_text(pom)
        maven = ["mvn", "--batch-mode", "--quiet", "--file", f"{folder}/pom.xml", "package"]
        _run(maven, "the job server")
        jar.rename(job_server_jar())


def _run(command: list[str], what: str) -> None:
    print(f"installing {what} into {cache_dir()}; this takes minutes", file=sys.stderr)
    try:
        subprocess.run(command, check=True)  # noqa: S603 - pip or mvn
    except subprocess.CalledProcessError as error:
        raise InputError(
            f"{what} could not be installed: {command[0]} ended with status {error.returncode}"
        ) from error
