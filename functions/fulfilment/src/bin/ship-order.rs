//! The Lambda function `ship-order`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::ship_order::function())
}
