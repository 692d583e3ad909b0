//! The Lambda function `confirm-delivery`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::confirm_delivery::function())
}
