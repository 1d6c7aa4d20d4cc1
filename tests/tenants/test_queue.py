"""Exclusive tasks, and the list of task names."""

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from tenants.models import TaskLock
from tenants.queue import exclusive
from tenants.task_names import Task


@pytest.mark.django_db
def test_a_task_lock_is_held_once_until_released_or_expired() -> None:
    with exclusive("tell", 30) as first, exclusive("tell", 30) as second, exclusive("other", 30) as other:
        assert (first, second, other) == (True, False, True)
    with exclusive("tell", 30) as next_one:
        TaskLock.objects.filter(task="tell").update(until=timezone.now() - timedelta(seconds=1))
        with exclusive("tell", 30) as after_a_loss:
            assert (next_one, after_a_loss) == (True, True)


def test_every_task_has_its_name_in_the_one_list() -> None:
    current_app.loader.import_default_modules()
    ours = {name for name in current_app.tasks if not name.startswith("celery.")}
    assert ours == {task.value for task in Task}
