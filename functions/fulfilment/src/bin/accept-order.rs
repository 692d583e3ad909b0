//! The Lambda function `accept-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::accept_order::function())
}
