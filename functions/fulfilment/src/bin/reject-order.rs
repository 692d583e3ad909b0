//! The Lambda function `reject-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::reject_order::function())
}
