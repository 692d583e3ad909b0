//! The Lambda function `list-stores`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::list_stores::function())
}
