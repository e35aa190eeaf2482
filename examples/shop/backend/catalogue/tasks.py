"""What happens to an order behind the scenes."""

import logging

from celery import shared_task

from catalogue.models import Order

log = logging.getLogger(__name__)


@shared_task
def confirm(order: int) -> None:
    """Mark an order as confirmed; a real shop would send its letter here."""
    Order.objects.filter(id=order).update(confirmed=True)
    log.info("order %s is confirmed", order)
