//! The Lambda function `unassign-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::unassign_order::function())
}
