//! Generates the messages of the lookup service from `proto/`, without any program from outside.

use std::error::Error;
use std::path::Path;

use prost_build::Config;
use protox::prost::Message as _;

const ENTRY: &str = "goldthread/v1/lookup_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../../proto");
    for file in ["lookup_service", "identity", "profile", "failure", "event"] {
        println!("cargo:rerun-if-changed={}/goldthread/v1/{file}.proto", root.display());
    }
    let descriptors = protox::compile([ENTRY], [root])?;
    pbjson_build::Builder::new().register_descriptors(&descriptors.encode_to_vec())?.build(&[".goldthread.v1"])?;
    Config::new()
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::pbjson_types")
        .skip_debug(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
