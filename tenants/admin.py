"""The operator's view of tenants, members, keys and audit entries."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants.lifecycle import create_tenant
from tenants.models import ApiKey, AuditEntry, Member, Tenant


class ReadOnly(ModelAdmin):  # type: ignore[misc]  # untyped
    """Rows that only the product itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Never."""
        return False


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # untyped; not subscriptable when it runs
    """People: the operators, and the members of tenants."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Tenant)
class TenantAdmin(ModelAdmin):  # type: ignore[misc]  # untyped
    """Tenants: made with their keys, suspended, given quotas; erased by command only."""

    list_display = ("slug", "name", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("slug", "name")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Erasing a tenant is more than deleting a row."""
        return False

    def save_model(self, request: HttpRequest, obj: Tenant, form: "ModelForm[Tenant]", change: bool) -> None:  # noqa: FBT001
        """A new tenant also needs its data key and audit chain."""
        if not change:
            made = create_tenant(obj.slug, obj.name)
            obj.pk, obj.created_at = made.pk, made.created_at
        super().save_model(request, obj, form, change=True)


@admin.register(Member)
class MemberAdmin(ModelAdmin):  # type: ignore[misc]  # untyped
    """Who belongs where."""

    list_display = ("user", "tenant", "role")
    list_filter = ("role",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Keys, without their secrets."""

    list_display = ("id", "name", "tenant", "created_at", "expires_at", "revoked_at")
    exclude = ("secret_hash",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    """What was done."""

    list_display = ("number", "tenant", "at", "actor_name", "action", "target_id")
    list_filter = ("action",)
