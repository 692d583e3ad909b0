//! The Lambda function `put-customer`.

fn main() -> Result<(), edge::Error> {
    edge::run(&notifications::put_customer::function())
}
