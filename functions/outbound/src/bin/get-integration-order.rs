//! The Lambda function `get-integration-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::get_integration_order::function())
}
