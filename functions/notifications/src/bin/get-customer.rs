//! The Lambda function `get-customer`.

fn main() -> Result<(), edge::Error> {
    edge::run(&notifications::get_customer::function())
}
