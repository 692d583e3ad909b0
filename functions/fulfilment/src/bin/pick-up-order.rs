//! The Lambda function `pick-up-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::pick_up_order::function())
}
