//! Makes the stubs from the contract.

const CONTRACT: &str = "../../protos";
const GOOGLEAPIS: &str = "../../third_party/googleapis";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = tonic_prost_build::Config::new();
    config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
    let protos = ["task_service", "runner_service"]
        .map(|name| format!("{CONTRACT}/idstatus/v1/{name}.proto"));
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_with_config(config, &protos, &[CONTRACT.into(), GOOGLEAPIS.into()])?;
    Ok(())
}
