"""Outputs in a bucket: whole or not there, and nothing left behind here."""

import json
import os

import boto3
import obstore
import pyarrow.parquet
import pytest
from obstore.store import S3Store

from benchmarks.scene import write_image
from overtrace.errors import BadOutput
from overtrace.raster import remote, uploads
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.support.identity_model import write_identity_model
from tests.support.s3 import BUCKET, serve_s3, set_environment
from tests.trace.test_pipeline import assert_same, read_table

SECRET = "hush4711"


@pytest.fixture
def bucket(monkeypatch):
    with serve_s3() as address:
        set_environment(monkeypatch, address)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        remote._bucket.cache_clear()
        yield boto3.client("s3", endpoint_url=address, aws_access_key_id="key", aws_secret_access_key=SECRET)
    remote._bucket.cache_clear()


def keys(bucket):
    return sorted(item["Key"] for item in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", []))


def test_an_image_of_a_bucket_is_traced_into_the_bucket(tmp_path, bucket, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = write_identity_model(tmp_path / "identity.onnx", window=256, margin=32)
    image = write_image(tmp_path / "canopy.tif", 600)
    trace([image], ["here.gpkg"], Options(model=str(model)))
    bucket.upload_file(str(image), BUCKET, "canopy.tif")
    names = ["crowns.gpkg", "crowns.parquet", "crowns.fgb", "crowns.pmtiles", "labels.tif", "parts/"]
    outs = [f"s3://{BUCKET}/out/{name}" for name in names]
    bucket.put_object(Bucket=BUCKET, Key="out/parts/part-00007-0000-0000-0.parquet", Body=b"stale")
    summary = trace([f"s3://{BUCKET}/canopy.tif"], outs, Options(model=str(model)), report=f"s3://{BUCKET}/out/a.html")
    assert summary["outputs"] == [*outs, f"s3://{BUCKET}/out/a.html"]
    listed = json.loads(obstore.get(S3Store(BUCKET), "out/parts/parts.json").bytes().to_bytes())["parts"]
    assert keys(bucket) == sorted(
        ["canopy.tif", *(f"out/{name}" for name in names[:-1]), "out/a.html", "out/parts/parts.json"]
        + [f"out/parts/{part['file']}" for part in listed]
    )
    bucket.download_file(BUCKET, "out/crowns.gpkg", "there.gpkg")
    assert_same(read_table(tmp_path / "there.gpkg"), read_table(tmp_path / "here.gpkg"))
    for key in keys(bucket)[1:]:
        assert SECRET.encode() not in bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    bucket.download_file(BUCKET, f"out/parts/{listed[0]['file']}", "part.parquet")
    assert sum(part["rows"] for part in listed) == summary["objects"] >= len(pyarrow.parquet.read_table("part.parquet"))
    assert sorted(os.listdir()) == sorted(["canopy.tif", "here.gpkg", "identity.onnx", "part.parquet", "there.gpkg"]), (
        "nothing is left here"
    )


def test_a_place_that_takes_nothing_is_told_before_the_work(tmp_path, bucket, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(uploads, "RETRIES", 0)
    model = write_identity_model(tmp_path / "identity.onnx", window=256, margin=32)
    image = write_image(tmp_path / "canopy.tif", 300)
    before = sorted(os.listdir())
    for out, said in (
        ("s3://nowhere/crowns.gpkg", "s3://nowhere/crowns.gpkg cannot be written: the store fails (HTTP 404)"),
        ("https://example.org/crowns.gpkg", "takes no files: write to s3://, gs:// or az://"),
    ):
        with pytest.raises(BadOutput) as error:
            trace([image], [out], Options(model=str(model)))
        assert said in str(error.value)
        assert SECRET not in str(error.value)
    with pytest.raises(BadOutput, match="unknown extension"):
        trace([image], [f"s3://{BUCKET}/crowns.xyz"], Options(model=str(model)))
    assert sorted(os.listdir()) == before
    assert keys(bucket) == []


def test_a_cloud_without_credentials_says_what_to_set(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    model = write_identity_model(tmp_path / "identity.onnx", window=256, margin=32)
    image = write_image(tmp_path / "canopy.tif", 300)
    with pytest.raises(
        BadOutput, match=r"az://trees/a\.gpkg cannot be written: .*: set AZURE_STORAGE_ACCOUNT_NAME and"
    ):
        trace([image], ["az://trees/a.gpkg"], Options(model=str(model)))
